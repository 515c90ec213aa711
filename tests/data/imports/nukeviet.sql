-- phpMyAdmin SQL Dump
-- version 4.9.7

SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
/*!40101 SET NAMES utf8mb4 */;

--
-- Table structure for table `nv4_counter`
--

CREATE TABLE `nv4_counter` (
  `c_type` varchar(100) COLLATE utf8mb4_unicode_ci NOT NULL,
  `c_val` varchar(100) COLLATE utf8mb4_unicode_ci NOT NULL,
  `last_update` int(11) NOT NULL DEFAULT 0,
  `c_count` int(11) UNSIGNED NOT NULL DEFAULT 0,
  `vi_count` int(11) UNSIGNED NOT NULL DEFAULT 0
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO `nv4_counter` (`c_type`, `c_val`, `last_update`, `c_count`, `vi_count`) VALUES
('c_time', 'start', 0, 0, 0),
('c_time', 'last', 0, 1611022213, 0),
('total', 'hits', 1611022213, 249, 249),
('year', '2020', 1609403596, 216, 216),
('year', '2021', 1611022213, 33, 33),
('month', 'Jan', 1611022213, 33, 33),
('month', 'Dec', 1609403596, 0, 0),
('day', '01', 1609516003, 7, 7),
('day', '02', 1609588916, 2, 2),
('day', '03', 0, 0, 0),
('day', '04', 1609727377, 2, 2),
('day', '06', 1609908862, 5, 5),
('day', '07', 1609992655, 3, 3),
('day', '14', 1610595090, 5, 5),
('day', '18', 1610963113, 7, 7),
('day', '19', 1611022213, 2, 2),
('day', '31', 1609403596, 0, 0),
('hour', '09', 1611022213, 2, 2),
('country', 'ZZ', 1611022213, 249, 249);

CREATE TABLE `nv4_vi_news_cat` (
  `catid` smallint(5) UNSIGNED NOT NULL,
  `parentid` smallint(5) UNSIGNED NOT NULL DEFAULT 0,
  `title` varchar(250) COLLATE utf8mb4_unicode_ci NOT NULL,
  `alias` varchar(250) COLLATE utf8mb4_unicode_ci NOT NULL DEFAULT '',
  KEY `parentid` (`parentid`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

INSERT INTO `nv4_vi_news_cat` VALUES (1,0,'Tin tức','tin-tuc'),(8,0,'Thông báo; \'mới\'','thong-bao');

CREATE TABLE `nv4_vi_news_rows` (
  `id` int(11) UNSIGNED NOT NULL,
  `catid` smallint(5) UNSIGNED NOT NULL DEFAULT 0,
  `title` varchar(250) NOT NULL DEFAULT '',
  `alias` varchar(250) NOT NULL DEFAULT '',
  `hometext` text NOT NULL,
  `hitstotal` mediumint(8) UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (`id`),
  KEY `catid` (`catid`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

INSERT INTO `nv4_vi_news_rows` VALUES
(1,1,'Hội nghị \"tổng kết\"','hoi-nghi-tong-ket','Dòng một\r\nDòng hai; (có ngoặc), dấu ''nháy''',969),
(2,8,'Lịch tiêm chủng','lich-tiem-chung','',120),
(3,8,'Chưa ai đọc','chua-ai-doc',NULL,0);
